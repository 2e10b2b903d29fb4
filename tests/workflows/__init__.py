"""GitHub's workflows run here: their expressions, jobs and steps, with GitHub's own parts stood in for."""
