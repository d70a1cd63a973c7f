# The service alone: its Postgres is named by FLOWLEDGER_DATABASE_URL.
FROM python:3.11-slim-bookworm AS build
# Where the packages come from is the builder's matter: --build-arg PIP_INDEX_URL=... and the like.
ARG PIP_INDEX_URL PIP_EXTRA_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/flowledger
COPY requirements-runtime.lock ./
RUN /opt/flowledger/bin/pip install --quiet --require-hashes -r requirements-runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY events events
COPY projections projections
COPY service service
RUN /opt/flowledger/bin/pip install --quiet --no-deps . \
    && /opt/flowledger/bin/pip uninstall --quiet --yes pip setuptools \
    && /opt/flowledger/bin/python -m compileall -q /opt/flowledger

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/flowledger flowledger
COPY --from=build /opt/flowledger /opt/flowledger
COPY examples /opt/flowledger/examples
ENV PATH=/opt/flowledger/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FLOWLEDGER_HOME=/var/lib/flowledger \
    FLOWLEDGER_LOG_FORMAT=json \
    FLOWLEDGER_HOST=0.0.0.0 \
    FLOWLEDGER_PORT=8080
USER flowledger
WORKDIR /var/lib/flowledger
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['FLOWLEDGER_PORT'] + '/health/live', timeout=2)"]
ENTRYPOINT ["flowledger"]
CMD ["serve", "--migrate"]
