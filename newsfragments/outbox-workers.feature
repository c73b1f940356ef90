`[webhook] events` works with `[main] workers`: all leave their events in one outbox, and one of them tells.
