"""
How fast a central system is, measured with stations that check every answer.
"""
