"""History of benchmarks: Parquet files in a folder or in S3, read here with DuckDB and in AWS with Athena."""
