"""Templates, style sheets and ES modules: a package, so that an installed wheel has them."""
