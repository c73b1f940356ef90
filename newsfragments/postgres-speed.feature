The reference schema keeps the meter values of many stations by one statement, and takes about half of PostgreSQL's CPU for each message.
