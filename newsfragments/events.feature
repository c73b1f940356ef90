Browsers and programs watch live what happens: `GET /api/v1/events` tells of messages, connects, disconnects, statuses and transactions as Server-Sent Events.
