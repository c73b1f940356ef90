`python -m bench.api` measures commands per second through the REST API, pages of a list of 10,000 stations, and what stations pay for 200 who watch.
