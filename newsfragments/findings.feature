The `findings` of an emulated station, what its central system did that the standard does not allow, are told over REST and on its page.
