import './base.css';
import './prompt.css';
import './room.css';
