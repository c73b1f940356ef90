The action `scenario` of an emulated station runs a scenario over REST: a shipped one, or steps of your own.
