"""The Parquet tables: schema, writer, reader."""
