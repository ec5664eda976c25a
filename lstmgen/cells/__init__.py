"""The equations of recurrent cells, in numpy."""
