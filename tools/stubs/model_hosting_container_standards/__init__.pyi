# The part of AWS's model-hosting-container-standards that `container` uses.
