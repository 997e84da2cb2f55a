def scaled(value, factor):
    return value * factor
