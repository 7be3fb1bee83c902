"""How updates reach instances and copies, and what rolls them back."""
