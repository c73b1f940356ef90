A worker that hangs without dying is noticed within about a minute, killed and started again, as is the emulator; what waits for it in the master is bounded.
