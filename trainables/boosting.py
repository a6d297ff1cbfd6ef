"""Boosting."""


class BoostingTrainable:
    "x"
