"""When does something run out? Pure; `forecast` answers."""
