require ["vacation"];
vacation :days 3 "Estamos cambiando de servidor.";
