"""The demonstration: a simulated vacuum station, and a task that guards it."""
