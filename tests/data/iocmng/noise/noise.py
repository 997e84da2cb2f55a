from iocmng import DeclarativeTask
from iocmng.core.functions import register


def peak_to_peak(values):
    return max(values) - min(values)


register("peak_to_peak", peak_to_peak)


class Noise(DeclarativeTask):
    pass
