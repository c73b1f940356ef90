The page of an emulated station has a button for each fault on the wire and each scenario, and tells how a scenario ended.
