# Two images from one file: `mediaimport` (operator, shim and importer) and `mediaimport-ffmpeg` (the prober).
# The layers that change with our own code come last and are small.

FROM debian:trixie-slim AS python
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
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
COPY operator/mediaimport_operator operator/mediaimport_operator
COPY importer/mediaimport_importer importer/mediaimport_importer
COPY webhook/mediaimport_webhook webhook/mediaimport_webhook
COPY checks/mediaimport_checks checks/mediaimport_checks
RUN /opt/tools/bin/pip wheel --no-deps --no-index --no-build-isolation --wheel-dir dist . \
 && /opt/tools/bin/pip install --no-deps --no-index --no-compile --target site dist/*.whl \
 && python3 -m compileall -q --invalidation-mode unchecked-hash site

# Swagger UI, by which the shim shows its OpenAPI document: compressed as it is served, with its licence.
FROM tools AS viewer
WORKDIR /viewer
COPY requirements/viewer.txt ./
RUN /opt/tools/bin/pip download --no-deps --require-hashes -r viewer.txt
COPY webhook/mediaimport_webhook/viewer/unpack.py ./
RUN python3 unpack.py *.whl swagger-ui

# Installed in place, with pip from the other stage: copying a hundred megabytes from stage to stage takes longer than
# everything else that follows a changed line.
FROM python AS base
COPY requirements/runtime.txt ./
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/opt/tools \
    python3 -m venv --without-pip . \
 && /opt/tools/bin/pip --python bin/python install --no-cache-dir --no-compile --only-binary :all: --require-hashes -r runtime.txt \
 && bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash lib

FROM base AS base-ffmpeg
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*

FROM base-ffmpeg AS mediaimport-ffmpeg
COPY --from=package /src/site lib/python3.13/site-packages
USER 65532:65532
LABEL org.opencontainers.image.title="mediaimport-ffmpeg" \
      org.opencontainers.image.description="MediaImport's prober: ffprobe and ffmpeg for its import Jobs" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-or-later" \
      org.opencontainers.image.version="0.1.0"

# The last stage is what `docker build .` makes.
FROM base AS mediaimport
# pydantic looks for plugins among all installed packages: a quarter of the importer's time to start.
ENV PYDANTIC_DISABLE_PLUGINS=__all__
COPY --from=viewer /viewer/swagger-ui share/swagger-ui
COPY --from=package /src/site lib/python3.13/site-packages
USER 65532:65532
LABEL org.opencontainers.image.title="mediaimport" \
      org.opencontainers.image.description="Saves what AI models on Replicate make, for good: operator, shim, importer" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
