"""
What answers the stations.
"""
