"""`palme bench WHAT`: one file a measurement; what is compared runs beside it in the same run."""
