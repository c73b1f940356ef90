Pages of the list of stations come in milliseconds from ten thousand stations, also when they are searched.
