"""Tables, figures and the HTML page, made from the aggregated Parquet tables and from nothing else."""
