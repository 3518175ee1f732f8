from src.price import discounted


def test_a_discount_is_rounded_to_the_customers_favour():
    assert discounted(999, 10) == 899
