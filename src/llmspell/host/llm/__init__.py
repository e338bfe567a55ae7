"""Language models: which are asked, how, within what budget, and what they answer."""
