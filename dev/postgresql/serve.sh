# Serve the database `media` of the role `webhook`, over TLS alone; make it first if the volume has none.
# /etc/postgresql has tls.crt, tls.key and the role's password. Inside the pod psql needs no password.
set -eu
data=/data/postgresql
if [ ! -e "$data" ]; then
    rm -rf "$data.new"
    initdb --pgdata="$data.new" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8
    printf '%s\n' 'local all all trust' 'hostssl all all all scram-sha-256' > "$data.new/pg_hba.conf"
    postgres --single -D "$data.new" postgres > /dev/null << STATEMENTS
CREATE ROLE webhook LOGIN PASSWORD '$(cat /etc/postgresql/password)'
CREATE DATABASE media OWNER webhook
STATEMENTS
    mv "$data.new" "$data"
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp -c shared_buffers=32MB \
    -c ssl=on -c ssl_cert_file=/etc/postgresql/tls.crt -c ssl_key_file=/etc/postgresql/tls.key
