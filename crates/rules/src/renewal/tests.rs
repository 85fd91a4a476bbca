mod schedule;
mod year;
