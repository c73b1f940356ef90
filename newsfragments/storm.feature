Thousands of stations that come back at once wait in line, and those that are here are served on: `[stations] admission`; `python -m bench.storm` shows it.
