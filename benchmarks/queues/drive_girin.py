"""Hands the tasks of with_girin over, and waits for each."""
import driver
import with_girin

if __name__ == "__main__":
    driver.main(lambda: with_girin.add.delay(1, 2).get(timeout=30))
