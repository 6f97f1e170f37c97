"""How people and programs reach Busbar."""
