5,000 idle emulated stations fit into 100 MiB, and a thousand of them send and check more than 8,000 messages per second.
