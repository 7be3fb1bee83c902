"""How updates reach instances and copies, and which alarms roll them back."""
