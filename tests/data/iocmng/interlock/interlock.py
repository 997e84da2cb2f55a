from iocmng import DeclarativeTask


class Interlock(DeclarativeTask):
    pass
