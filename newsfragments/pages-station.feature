The page of a station shows what it does against the standard, how far its clock is from ours as it is now, power and energy as plots that go on, and what it may draw in the time to come.
