The webhook's event `answered` also tells of a station that answers a command with a CALLERROR.
