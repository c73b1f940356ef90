# An OCPP central system: docker build -t ocpp_tw . ; see docs/operate.md.

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/ocpp_tw \
    && /opt/ocpp_tw/bin/pip install --no-cache-dir '.[postgres]' \
    && /opt/ocpp_tw/bin/twistd --help > /dev/null

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --user-group \
    --home-dir /var/lib/cs --create-home cs
COPY --from=build /opt/ocpp_tw /opt/ocpp_tw
ENV PATH=/opt/ocpp_tw/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CS_SERVER_LISTEN=0.0.0.0 \
    CS_API_ALLOW_OPEN=yes
USER 10001
WORKDIR /var/lib/cs
VOLUME /var/lib/cs
EXPOSE 9220
STOPSIGNAL SIGQUIT
HEALTHCHECK --start-period=15s --interval=15s --timeout=5s \
    CMD ["python", "-c", "from urllib.request import urlopen as o; o('http://127.0.0.1:9220/readyz', timeout=4)"]
CMD ["twistd", "-n", "--pidfile=", "cs"]
