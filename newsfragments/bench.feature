`python -m bench` measures messages per second, latency, CPU, memory and connects of the central system, beside a server made of PyPI `ocpp` and `websockets`.
