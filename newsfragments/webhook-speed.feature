The webhook backend takes a third of the CPU for each message.
