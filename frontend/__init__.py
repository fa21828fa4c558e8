"""Templates, style sheets and ES modules: data of the product, a package so that an installed wheel has them."""
