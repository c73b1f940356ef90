`ocpp-cp run` and `fleet` take `--wire FAULT=RATE`: faults on the wire by chance and seed; `late-answer` and `no-answer` befall answers alone.
