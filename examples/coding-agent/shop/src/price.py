"""Prices, in cents."""


def discounted(cents, percent):
    """The price after a discount, rounded to the customer's favour."""
    return cents - -(-cents * percent // 100)
