module girin

go 1.25
