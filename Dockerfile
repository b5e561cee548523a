# Two images from one file: `mediaimport` (operator, webhook and importer) and `mediaimport-ffmpeg` (the prober).
# The layers that change with our own code come last and are small. What is left out to make them so, and how all of it
# is pinned for a release, stands in docs/release.md.

ARG DEBIAN=debian:trixie-slim

FROM ${DEBIAN} AS python
ARG DEBIAN_FRONTEND=noninteractive
RUN printf 'path-exclude=%s\n' '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/info/*' '/usr/share/lintian/*' \
      '/usr/share/locale/*' \
      > /etc/dpkg/dpkg.cfg.d/mediaimport \
 && echo 'path-include=/usr/share/doc/*/copyright' >> /etc/dpkg/dpkg.cfg.d/mediaimport \
 && apt-get update \
 && apt-get install -y --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
# Kopf asks for the user's name, and an arbitrary uid has none in /etc/passwd. Bytecode is made beforehand, because
# the root file system is read-only.
ENV PATH=/opt/mediaimport/bin:$PATH \
    LOGNAME=mediaimport \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/mediaimport

FROM python AS tools
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

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
# services of AWS, of which S3 and those that hand out credentials stay; the Kubernetes client has a class for each kind
# and verb, and our programs send plain JSON. tests/e2e/images/test_images.py has the images prove that nothing else is missed.
FROM python AS base
COPY requirements/runtime.txt ./
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/opt/tools \
    python3 -m venv --without-pip . \
 && /opt/tools/bin/pip --python bin/python install --no-cache-dir --no-compile --only-binary :all: --require-hashes -r runtime.txt \
 && cd lib/python3.13/site-packages \
 && find botocore/data -mindepth 1 -maxdepth 1 -type d \
      ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -r {} + \
 && find kubernetes/client/api kubernetes/client/models kubernetes/aio/client/api kubernetes/aio/client/models \
      -type f ! -name __init__.py -delete \
 && find kubernetes -name '*_test.py' -delete \
 && ../../../bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash ..

# Debian's ffmpeg brings Mesa, LLVM and more for screens and graphics cards, which only plug-ins load. A package stays
# if ffmpeg or ffprobe is linked with one of its libraries; fonts stay for the text in drawings. (apt thinks the rest unfinished: `apt-get install -f` in an
# image made from this one brings it back.)
FROM base AS base-ffmpeg
ARG DEBIAN_FRONTEND=noninteractive
RUN dpkg-query -W -f '${Package}\n' > /tmp/needed \
 && apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg \
 && printf '%s\n' ffmpeg fontconfig-config fonts-dejavu-core >> /tmp/needed \
 && ldd /usr/bin/ffmpeg /usr/bin/ffprobe | awk '$2 == "=>" {print $3}' | sort -u | xargs realpath \
      | xargs dpkg-query -S | cut -d: -f1 >> /tmp/needed \
 && dpkg-query -W -f '${Package}\n' | grep -vxFf /tmp/needed | xargs dpkg --purge --force-depends \
 && ffmpeg -version > /dev/null && ffprobe -version > /dev/null \
 && rm -rf /tmp/needed /var/lib/apt/lists/* /var/cache/apt/* /var/log/*

FROM base-ffmpeg AS mediaimport-ffmpeg
COPY --from=vips /vips/site lib/python3.13/site-packages
COPY --from=package /src/site lib/python3.13/site-packages
USER 65532:65532
LABEL org.opencontainers.image.title="mediaimport-ffmpeg" \
      org.opencontainers.image.description="MediaImport's prober: libvips, ffprobe and ffmpeg for its import Jobs" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-or-later AND LGPL-3.0-or-later" \
      org.opencontainers.image.version="0.1.0"

# The last stage is what `docker build .` makes.
FROM base AS mediaimport
# pydantic looks for plugins among all installed packages: a quarter of the importer's time to start.
ENV PYDANTIC_DISABLE_PLUGINS=__all__
COPY --from=viewer /viewer/swagger-ui share/swagger-ui
COPY --from=package /src/site lib/python3.13/site-packages
USER 65532:65532
LABEL org.opencontainers.image.title="mediaimport" \
      org.opencontainers.image.description="Imports media that AI models generate on Replicate into S3: operator, webhook, importer" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
