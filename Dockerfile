# syntax=docker/dockerfile:1
# Two images from one file: `mediaimport` (operator, webhook and importer) and `mediaimport-ffmpeg` (the prober).
# The layers that change with our own code come last and are small. What is left out to make them so, and how all of it
# is pinned for a release, stands in docs/release.md.

# The index of all architectures.
ARG DEBIAN=debian:trixie-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f
# What our programs need of Debian: Python, certificates, the two libraries that wheels are linked with, and a small shell.
ARG KEPT="base-files|base-passwd|ca-certificates|coreutils|dash|findutils|grep|libc-bin|libgcc-s1|libstdc[+][+]6|media-types|ncurses-base|netbase|openssl|(lib)?python3.*|readline-common|sed|tzdata"
ARG SOURCE=https://mediaimport.dev

# Debian with Python, and still with apt.
FROM ${DEBIAN} AS debian
ARG DEBIAN_FRONTEND=noninteractive
RUN printf 'path-exclude=%s\n' '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/info/*' '/usr/share/lintian/*' \
      '/usr/share/locale/*' \
      > /etc/dpkg/dpkg.cfg.d/mediaimport \
 && echo 'path-include=/usr/share/doc/*/copyright' >> /etc/dpkg/dpkg.cfg.d/mediaimport \
 && apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/*

# No package manager, no Perl, no program that changes its user.
FROM debian AS kept
ARG DEBIAN_FRONTEND=noninteractive
ARG KEPT
COPY dev/image/keep-only.sh /tmp/
RUN sh /tmp/keep-only.sh "$KEPT" && rm /tmp/keep-only.sh

# One layer, without what was purged.
FROM scratch AS python
COPY --from=kept / /
# Kopf asks for the user's name, and an arbitrary uid has none in /etc/passwd. Bytecode is made beforehand, because
# the root file system is read-only.
ENV PATH=/opt/mediaimport/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LOGNAME=mediaimport \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/mediaimport

FROM debian AS tools
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1

FROM tools AS package
WORKDIR /src
COPY requirements/build.txt requirements/
RUN /opt/tools/bin/pip install --only-binary :all: --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY crds/mediaimport_api crds/mediaimport_api
COPY runtime/mediaimport_runtime runtime/mediaimport_runtime
COPY operator/mediaimport_operator operator/mediaimport_operator
COPY importer/mediaimport_importer importer/mediaimport_importer
COPY prober/mediaimport_prober prober/mediaimport_prober
COPY webhook/mediaimport_webhook webhook/mediaimport_webhook
COPY checks/mediaimport_checks checks/mediaimport_checks
RUN /opt/tools/bin/pip wheel --no-deps --no-index --no-build-isolation --wheel-dir dist . \
 && /opt/tools/bin/pip install --no-deps --no-index --no-compile --target site dist/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash site

# pyvips comes as source alone. Without a compiler it becomes Python alone, and finds libvips in pyvips-binary.
FROM tools AS vips
WORKDIR /vips
COPY requirements/build.txt requirements/prober.txt ./
RUN /opt/tools/bin/pip install --only-binary :all: --require-hashes -r build.txt \
 && /opt/tools/bin/pip wheel --only-binary :all: --no-binary pyvips --no-build-isolation --no-deps --require-hashes \
      --wheel-dir wheels -r prober.txt \
 && /opt/tools/bin/pip install --no-deps --no-index --no-compile --target site \
      wheels/pi_heif*.whl wheels/pillow*.whl wheels/pyvips*.whl \
 && rm -r wheels \
 && python3 -m compileall -q --invalidation-mode unchecked-hash site

# Swagger UI, by which the webhook shows its OpenAPI document: compressed as it is served, with its licence.
FROM tools AS viewer
WORKDIR /viewer
COPY requirements/viewer.txt ./
RUN /opt/tools/bin/pip download --no-deps --require-hashes -r viewer.txt
COPY webhook/mediaimport_webhook/viewer/unpack.py ./
RUN python3 unpack.py *.whl swagger-ui

# Installed in place, with pip from the other stage: copying a hundred megabytes from stage to stage takes longer than
# everything else that follows a changed line. Two packages are cut to what is used of them: botocore describes 430
# services of AWS (dev/image/keep-services.py); the Kubernetes client has a class for each kind and verb, and our programs
# send plain JSON. tests/e2e/images/test_images.py has the images prove that nothing else is missed.
FROM python AS base
COPY requirements/runtime.txt dev/image/keep-services.py ./
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/opt/tools \
    python3 -m venv --without-pip . \
 && /opt/tools/bin/pip --python bin/python install --no-cache-dir --no-compile --only-binary :all: --require-hashes -r runtime.txt \
 && cd "$(bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 && echo /opt/mediaimport/site > mediaimport.pth \
 && python /opt/mediaimport/keep-services.py botocore/data \
 && rm /opt/mediaimport/keep-services.py \
 && find kubernetes/client/api kubernetes/client/models kubernetes/aio/client/api kubernetes/aio/client/models \
      -type f ! -name __init__.py -delete \
 && find kubernetes -name '*_test.py' -delete \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash ..

# Debian's ffmpeg brings Mesa, LLVM and more for screens and graphics cards, which only plug-ins load. A package stays
# if ffmpeg or ffprobe is linked with one of its libraries; fonts stay for the text in drawings. /added has the files
# that the other image lacks, and the two lists in which both differ; a builder mounts /etc/hosts and /etc/resolv.conf.
FROM debian AS ffmpeg
ARG DEBIAN_FRONTEND=noninteractive
ARG KEPT
COPY dev/image/keep-only.sh /tmp/
RUN --mount=type=bind,from=python,source=/,target=/mnt \
    apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg \
 && sh /tmp/keep-only.sh "$KEPT|ffmpeg|fontconfig-config|fonts-dejavu-core" \
 && rm /tmp/keep-only.sh \
 && mkdir /added \
 && { find / -xdev \( -path /mnt -o -path /tmp -o -path '/etc/host*' -o -path /etc/resolv.conf \) -prune -o ! -type d -print \
        | while read -r file; do test -e "/mnt$file" || test -L "/mnt$file" || echo "$file"; done \
      && printf '%s\n' /var/lib/dpkg/status /etc/ld.so.cache; } | xargs cp -a --parents -t /added

FROM base AS base-ffmpeg
COPY --from=ffmpeg /added /
RUN ffmpeg -version > /dev/null && ffprobe -version > /dev/null

FROM base-ffmpeg AS mediaimport-ffmpeg
COPY --from=vips /vips/site site
COPY --from=package /src/site site
COPY dev/image/programs.txt ./
USER 65532:65532
CMD ["cat", "/opt/mediaimport/programs.txt"]
ARG SOURCE
LABEL org.opencontainers.image.title="mediaimport-ffmpeg" \
      org.opencontainers.image.description="MediaImport's prober: libvips, ffprobe and ffmpeg for its import Jobs" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-or-later AND LGPL-3.0-or-later" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="0.1.0"

# The database of the webhook's catalogue, in a layer of its own: the prober has no use for it. What is
# new alone is compiled: the rest would be in this layer a second time.
FROM base AS catalogue
COPY requirements/catalogue.txt ./
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/opt/tools \
    touch before \
 && /opt/tools/bin/pip --python bin/python install --no-cache-dir --no-compile --no-deps --only-binary :all: --require-hashes -r catalogue.txt \
 && find lib -name '*.py' -newer before | python -m compileall -q --invalidation-mode unchecked-hash -i - \
 && rm before

# The last stage is what `docker build .` makes.
FROM catalogue AS mediaimport
# pydantic looks for plugins among all installed packages: a quarter of the importer's time to start.
ENV PYDANTIC_DISABLE_PLUGINS=__all__
COPY --from=viewer /viewer/swagger-ui share/swagger-ui
COPY --from=package /src/site site
COPY dev/image/programs.txt ./
USER 65532:65532
CMD ["cat", "/opt/mediaimport/programs.txt"]
ARG SOURCE
LABEL org.opencontainers.image.title="mediaimport" \
      org.opencontainers.image.description="Imports media that AI models generate on Replicate into S3: operator, webhook, importer" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="0.1.0"
