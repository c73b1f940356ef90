Emulated stations are seen and commanded over REST and on the web pages with `[main] workers`, too, whichever worker is asked.
