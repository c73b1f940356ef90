`ocpp-cp run` shows the messages of its station, and takes orders: `plug 1`, `presentTag ALICE`, `fault`, `send`, `wireFault`; the REST action `send` sends any message.
