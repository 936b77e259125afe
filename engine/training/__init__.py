"""How the weights that ship in the package are trained; nothing else imports this."""
