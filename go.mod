module wsvsio

go 1.26.0
