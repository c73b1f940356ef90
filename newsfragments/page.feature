`http://localhost:9220/` shows the stations and what they are doing, how to connect the first one, and who was refused of late and why.
