"""`palme eval suite=FILE`: every case of a suite, its verdict, and what the verdict rests on."""
