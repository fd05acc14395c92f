"""What answers become when layers of a model are those of another one."""
